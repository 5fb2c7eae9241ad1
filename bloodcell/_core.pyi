"""Header gate, batch reader and patient accumulator; see csrc/."""

# --- images: csrc/bindings/images.cpp

# --- accumulator: csrc/bindings/accumulator.cpp
