"""Put files together as ROOT's hadd does: trees end to end, histograms added, what is equal once."""
