"""Samplers that learn to propose decisions: a denoising-diffusion one and its rivals, trained without labels."""
