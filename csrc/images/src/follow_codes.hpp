// The last of the gate, and nearly all of its time; internal to csrc/src.
#pragma once

#include "bloodcell/gate.hpp"
#include "bloodcell/read.hpp"

namespace bloodcell {

// Puts the batch's JPEGs through the whole gate and drops the bytes of those that it rejects.
//
// One thread reads for a whole GPU, whose large batches are therefore parted among threads; those
// of a CPU, whose cores have their own work, are not.
void follow_codes(EncodedBatch& batch, const Limits& limits);

}  // namespace bloodcell
