"""What scaling a model costs: phases, shares of hardware and sites, renewal, and the SCI scores."""
