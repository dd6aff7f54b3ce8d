"""The way to the API server: kubeconfig, credentials, requests and streams."""
