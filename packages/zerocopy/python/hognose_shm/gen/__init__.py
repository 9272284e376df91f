"""What was made from other sources; do not edit."""
