"""Cards that clients let a practice's provider keep, and the fees that are charged to them."""
