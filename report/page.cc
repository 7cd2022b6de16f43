#include "report/page.h"

// The assembler copies a file into the program: a megabyte as a C++ literal would take the compiler long. The paths
// come from CMakeLists.txt.
#define BESA_EMBED(symbol, path)            \
  asm(".section .rodata\n"                  \
      ".global " #symbol "_begin\n" #symbol \
      "_begin:\n"                           \
      ".incbin \"" path                     \
      "\"\n"                                \
      ".global " #symbol "_end\n" #symbol   \
      "_end:\n"                             \
      ".byte 0\n"                           \
      ".previous\n");                       \
  extern "C" const char symbol##_begin[];   \
  extern "C" const char symbol##_end[];

BESA_EMBED(besa_page_template, BESA_PAGE_FOLDER "/report.html")
BESA_EMBED(besa_page_style, BESA_PAGE_FOLDER "/report.css")
BESA_EMBED(besa_page_script, BESA_PAGE_FOLDER "/report.js")
BESA_EMBED(besa_chart_library, BESA_CHART_LIBRARY)

namespace besa {
namespace {

absl::string_view Between(const char* begin, const char* end) { return {begin, static_cast<size_t>(end - begin)}; }

}  // namespace

absl::string_view PageTemplate() { return Between(besa_page_template_begin, besa_page_template_end); }
absl::string_view PageStyle() { return Between(besa_page_style_begin, besa_page_style_end); }
absl::string_view PageScript() { return Between(besa_page_script_begin, besa_page_script_end); }
absl::string_view ChartLibrary() { return Between(besa_chart_library_begin, besa_chart_library_end); }

}  // namespace besa
