"""Picture files, and the digit on a picture in the form of the data set."""
