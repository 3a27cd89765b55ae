def write(results, options): pass
