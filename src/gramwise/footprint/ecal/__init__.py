"""eCAL: the energy of a model's life per bit it handles, as the authors' tools compute it and as physics has it."""
