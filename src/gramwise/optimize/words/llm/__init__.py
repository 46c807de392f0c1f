"""A language model as formulator, through any endpoint that speaks chat completions. Off until configured."""
