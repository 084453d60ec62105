"""The two ends of the app; all they do is in the aneuflow that each site has installed, and read, for itself."""

from aneuflow.pipeline.federated_app import client_app, server_app

server = server_app()
client = client_app()
