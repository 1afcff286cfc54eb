"""Clinic: doctors, patients, institutions and admins."""
