"""Exercise 2 of the book's chapter 3 as notebooks do it: int64 pixels, a `shift` each, KNN."""

import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import shift
from sklearn.neighbors import KNeighborsClassifier

raw = Path(sys.argv[1])
X = np.load(raw / "images.npy").reshape(70_000, 784).astype(np.int64)
y = np.load(raw / "labels.npy")
X_train, X_test, y_train, y_test = X[:60_000], X[60_000:], y[:60_000], y[60_000:]

X_augmented, y_augmented = [*X_train], [*y_train]
for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
    for image, label in zip(X_train, y_train, strict=True):
        X_augmented.append(shift(image.reshape(28, 28), (dy, dx), cval=0).reshape(784))
        y_augmented.append(label)

model = KNeighborsClassifier(n_neighbors=4, weights="distance")
model.fit(np.array(X_augmented), np.array(y_augmented))
print(model.score(X_test, y_test))
