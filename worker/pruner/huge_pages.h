// Huge pages for the tensors of a CPU.
#pragma once

namespace besa::pruner {

// Asks the system to put what LibTorch has allocated, and from now on allocates for large tensors, into huge pages. A
// step walks through hundreds of megabytes, and on a virtual machine each page of 4 KiB that the processor has to look
// up costs it walks through the tables of two systems: docs/benchmarks.md has the figures. Without effect where
// /sys/kernel/mm/transparent_hugepage/enabled is `never`. Changes no result. Holds for the process; calling it again
// costs nothing.
void PutTensorsIntoHugePages();

}  // namespace besa::pruner
