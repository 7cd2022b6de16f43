#include "storage/base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace besa {
namespace {

TEST(Utf8Test, AcceptsEveryLength) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("plain"));
  EXPECT_TRUE(IsUtf8("gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x8C\x8D"));
  EXPECT_TRUE(IsUtf8("\xF4\x8F\xBF\xBF"));
}

TEST(Utf8Test, RefusesWhatIsNot) {
  for (const std::string bad : {"\xFF", "\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF0\x80\x80\x80",
                                "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xE2\x82", "a\xE2(\xAC"}) {
    EXPECT_FALSE(IsUtf8(bad));
  }
}

TEST(Utf8Test, FindsControlCharacters) {
  EXPECT_FALSE(HasControlCharacters("gr\xC3\xBC\xC3\x9F ~"));
  for (const std::string bad : {"\n", "a\x1B[2J", "\x7F", "\xC2\x9B"}) EXPECT_TRUE(HasControlCharacters(bad));
}

TEST(Utf8Test, PrintableIsShortHarmlessUtf8) {
  EXPECT_EQ(Printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(Printable("\"a\nb\""), "\\\"a\\nb\\\"");
  EXPECT_EQ(Printable("\xC2\x9B"), "\\xc2\\x9b");
  EXPECT_EQ(Printable("\xFF"), "\\xff");
  EXPECT_EQ(Printable(std::string(201, 'a')), std::string(200, 'a') + "...");
  // A character that would be cut in two is left out.
  EXPECT_EQ(Printable(std::string(199, 'a') + "\xE2\x82\xAC"), std::string(199, 'a') + "...");
  EXPECT_EQ(Printable(std::string(197, 'a') + "\xE2\x82\xAC" + "b"), std::string(197, 'a') + "\xE2\x82\xAC" + "...");
}

}  // namespace
}  // namespace besa
