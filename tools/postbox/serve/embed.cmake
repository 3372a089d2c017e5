# Writes the files of the page as C++: cmake -DFOLDER=… -DFILES=a;b -DOUTPUT=… -P embed.cmake
set(types_html "text/html; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(types_svg "image/svg+xml")
set(arrays "")
set(rows "")
foreach(file IN LISTS FILES)
  file(READ ${FOLDER}/${file} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(MAKE_C_IDENTIFIER k_${file} name)
  string(REGEX REPLACE "^.*\\." "" extension ${file})
  set(path /${file})
  if(file STREQUAL index.html)
    set(path /)
  endif()
  string(APPEND arrays "constexpr char ${name}[] = {${bytes}};\n")
  string(APPEND rows "    {\"${path}\", \"${types_${extension}}\", {${name}, sizeof(${name})}},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"serve/assets.hpp\"

namespace postbox::cli {
namespace {

${arrays}
constexpr Asset kAssets[] = {
${rows}};

}  // namespace

std::span<const Asset> assets() { return kAssets; }

}  // namespace postbox::cli
")
