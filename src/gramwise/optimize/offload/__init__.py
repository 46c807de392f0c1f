"""Mobile AIGC offloading, our reconstruction: five families of carbon problems and the decoders that solvers share."""
