"""The routes: short; they call the rest."""
