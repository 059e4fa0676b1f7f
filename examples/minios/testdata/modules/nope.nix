{ nope = 1; }
