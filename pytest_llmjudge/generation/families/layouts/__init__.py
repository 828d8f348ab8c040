"""The layouts that models of these families are saved in."""
