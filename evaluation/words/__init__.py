"""120 descriptions of carbon problems in words, their typed truths, and the measures of those who read them."""
