"""The store as everybody but supervisors sees it: async, one unit of work per call."""
