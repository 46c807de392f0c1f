"""What is put to gramwise from outside: sets of cases with known answers."""
