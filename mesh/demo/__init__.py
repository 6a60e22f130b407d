"""The demonstration: five real processes, a real configuration, one of them killed, everything measured."""
