"""Pure policy: may this URL, may this address be fetched?"""
