"""From a shot to the model's inputs: the request, the features of one shot or many, and what explains a probability."""
