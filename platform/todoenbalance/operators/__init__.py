"""Those who run the platform: their accounts, API and console."""
