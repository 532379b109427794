"""The reports' commands: `make report`, `make study`, and the synthetic years that they are proven on."""
