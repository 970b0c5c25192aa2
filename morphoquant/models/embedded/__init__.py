"""The embedded demo model: three small pretrained parts joined by trained connectors into one omni-modal model."""
