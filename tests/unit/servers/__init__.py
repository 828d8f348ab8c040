"""Tests of the clients of servers, against a real HTTP server in a thread."""
