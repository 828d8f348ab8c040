"""Files of weights, read without torch: pickles, safetensors, shards."""
