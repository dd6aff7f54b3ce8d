"""The simulated search walks, held against the resolvers themselves."""
