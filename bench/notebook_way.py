"""Exercise 2 of the book's chapter 3 as notebooks do it: int64 pixels, a `shift` each, KNN.

`python bench/notebook_way.py FOLDER [N]` learns from the first N images (60,000) of FOLDER and
scores the others.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import shift
from sklearn.neighbors import KNeighborsClassifier

raw = Path(sys.argv[1])
n = int(sys.argv[2]) if sys.argv[2:] else 60_000
X = np.load(raw / "images.npy").reshape(-1, 784).astype(np.int64)
y = np.load(raw / "labels.npy")
X_train, X_test, y_train, y_test = X[:n], X[n:], y[:n], y[n:]

started = time.monotonic()
X_augmented, y_augmented = [*X_train], [*y_train]
for dx, dy in ((-1, 0), (1, 0), (0, -1), (0, 1)):
    for image, label in zip(X_train, y_train, strict=True):
        X_augmented.append(shift(image.reshape(28, 28), (dy, dx), cval=0).reshape(784))
        y_augmented.append(label)

model = KNeighborsClassifier(n_neighbors=4, weights="distance")
model.fit(np.array(X_augmented), np.array(y_augmented))
seconds = time.monotonic() - started
score = model.score(X_test, y_test)
print(score)
