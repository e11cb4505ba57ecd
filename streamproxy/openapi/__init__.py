"""The description of the API as an OpenAPI document: what operations.py says, put into form."""
