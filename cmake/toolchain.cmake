# Warnings, sanitizers, ccache and mold: what every target is built with.
add_library(forebay_flags INTERFACE)
# Paths in debug information and in __FILE__ begin at the repository: builds of two clones are alike, for people who
# read a trace and for ccache.
target_compile_options(forebay_flags INTERFACE -Wall -Wextra $<$<CONFIG:Debug>:-Werror> -fno-strict-aliasing
                       -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
# g++ 12 sees overlaps and overflows in std::string that are not there once it optimises (GCC PR 105329, 105651).
target_compile_options(forebay_flags INTERFACE
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<NOT:$<CONFIG:Debug>>>:-Wno-restrict;-Wno-stringop-overflow;-Wno-array-bounds;-Wno-maybe-uninitialized>)
target_include_directories(forebay_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(forebay_flags INTERFACE FOREBAY_VERSION="${PROJECT_VERSION}")

if(FOREBAY_SANITIZE)
  target_compile_options(forebay_flags INTERFACE -fsanitize=${FOREBAY_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(forebay_flags INTERFACE -fsanitize=${FOREBAY_SANITIZE})
  # g++ warns that its ThreadSanitizer does not follow the fences that Asio adds to its mutexes; the mutexes it follows.
  # With its calls between, g++ also sees an optimised std::string overflow (as above).
  if(FOREBAY_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(forebay_flags INTERFACE -Wno-tsan -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
  endif()
endif()

find_program(FOREBAY_CCACHE ccache)
if(FOREBAY_CCACHE)
  # Precompiled headers and ccache: the header's defines and dates must not spoil the hash, nor where the clone lies.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${FOREBAY_CCACHE})
endif()

find_program(FOREBAY_MOLD mold)
if(FOREBAY_MOLD)
  target_link_options(forebay_flags INTERFACE -fuse-ld=mold)
endif()
