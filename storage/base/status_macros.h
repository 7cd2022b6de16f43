// Early returns for absl::Status and absl::StatusOr.
//
//   RETURN_IF_ERROR(writer->Close());
//   ASSIGN_OR_RETURN(auto config, ParseModelConfig(text));
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define BESA_CONCAT_INNER(a, b) a##b
#define BESA_CONCAT(a, b) BESA_CONCAT_INNER(a, b)

#define RETURN_IF_ERROR(expression)                                                     \
  do {                                                                                  \
    if (absl::Status besa_status = (expression); !besa_status.ok()) return besa_status; \
  } while (false)

#define ASSIGN_OR_RETURN(declaration, expression) \
  BESA_ASSIGN_OR_RETURN(BESA_CONCAT(besa_status_or_, __LINE__), declaration, expression)

#define BESA_ASSIGN_OR_RETURN(result, declaration, expression) \
  auto result = (expression);                                  \
  if (!result.ok()) return std::move(result).status();         \
  declaration = *std::move(result)
