# torch (an imported target of the wheel's own config) and the CUDA language, both from the Python wheels.
# The wheel insists on a CUDA toolkit even where no GPU is present; the nvidia wheels are one.
set(CUDA_ROOT ${BESA_SITE_PACKAGES}/nvidia/cu13)
set(CUDAToolkit_ROOT ${CUDA_ROOT})
set(CUDA_TOOLKIT_ROOT_DIR ${CUDA_ROOT})
set(CMAKE_CUDA_COMPILER ${CUDA_ROOT}/bin/nvcc)
# sm_80 is the A100, sm_90 the H100 and H200; PTX lets later cards compile the kernels on first use.
set(TORCH_CUDA_ARCH_LIST "8.0;9.0+PTX" CACHE STRING "GPU architectures, in LibTorch's notation")
list(APPEND CMAKE_PREFIX_PATH ${BESA_SITE_PACKAGES}/torch)
# Torch's config warns about parts of itself that we do not use (kineto); only errors matter here.
set(CMAKE_MESSAGE_LOG_LEVEL ERROR)
set(Python_EXECUTABLE ${BESA_VENV}/bin/python)
find_package(Torch REQUIRED CONFIG)
unset(CMAKE_MESSAGE_LOG_LEVEL)

# besa::nccl: the one that LibTorch uses.
add_library(besa_nccl INTERFACE)
add_library(besa::nccl ALIAS besa_nccl)
target_include_directories(besa_nccl SYSTEM INTERFACE ${BESA_SITE_PACKAGES}/nvidia/nccl/include)
target_link_libraries(besa_nccl INTERFACE ${BESA_SITE_PACKAGES}/nvidia/nccl/lib/libnccl.so.2)

# besa::torch: what a target that includes LibTorch links.
add_library(besa_torch INTERFACE)
add_library(besa::torch ALIAS besa_torch)
# LibTorch exports a std::filesystem of its own that crashes when others call it; the first library named wins.
target_link_libraries(besa_torch INTERFACE stdc++ ${TORCH_LIBRARIES})
target_compile_options(besa_torch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-shadow>)
