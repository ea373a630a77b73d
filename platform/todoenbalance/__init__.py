"""TODOenBALANCE: booking, payment and practice platform for nutritionists."""
