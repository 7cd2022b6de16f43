#include "server/state/sql_migrations.h"

#include "absl/strings/str_cat.h"

#include "storage/base/error_info.h"
#include "storage/base/status_macros.h"

namespace besa::server {

absl::Status MigrateSql(SqlConnection& connection, const std::vector<SqlMigration>& migrations, absl::Time now) {
  int64_t applied = 0;
  int64_t survivable_from = 0;
  RETURN_IF_ERROR(connection.Query(
      [&](const SqlRow& row) {
        applied = row.Int(0);
        survivable_from = row.Int(1);
        return absl::OkStatus();
      },
      "SELECT COALESCE(MAX(number), 0), COALESCE(MAX(survivable_from), 0) FROM migrations"));
  const int known = migrations.empty() ? 0 : migrations.back().number;
  if (survivable_from > known) {
    return ErrorWithInfo(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("the state database is at schema ", applied, " for programs that know schema ", survivable_from,
                     " or later, this program knows schemas up to ", known, ": start a newer coordinator"),
        {"SCHEMA_TOO_NEW", {{"schema", absl::StrCat(applied)}, {"known", absl::StrCat(known)}}});
  }
  for (const SqlMigration& migration : migrations) {
    if (migration.number <= applied) continue;
    RETURN_IF_ERROR(connection.Script(migration.sql));
    RETURN_IF_ERROR(
        connection.Run("INSERT INTO migrations (number, name, time, survivable_from) VALUES ($1, $2, $3, $4)",
                       migration.number, migration.name, absl::ToUnixMicros(now), migration.survivable_from));
  }
  return absl::OkStatus();
}

}  // namespace besa::server
