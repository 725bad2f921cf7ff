"""hubd: a self-hosted, Git-native hub for models, datasets, code and Spaces."""

__version__ = "0.1.0"
