"""What is known about carbon problems: versioned cards, hybrid retrieval, and closure over their symbols."""
