// Starts and stops the server that the test cases of one run of ctest share:
//   postgres_server start FILE, which gets the server's folder; postgres_server stop FILE
#include <fstream>
#include <iostream>
#include <string>

#include "support/postgres_server.hpp"

int main(int count, char** words) {
  using postbox::tests::PostgresServer;
  if (count != 3) return 2;
  const std::string file = words[2];
  if (std::string(words[1]) == "start") {
    PostgresServer server;
    if (server.url().empty()) {
      std::cout << "no PostgreSQL server is installed: its tests are skipped\n";
      return PostgresServer::folder_of_programs() ? 1 : 0;
    }
    server.let_go();
    return (std::ofstream(file) << server.folder().string() << '\n') ? 0 : 1;
  }
  std::string folder;
  std::getline(std::ifstream(file), folder);
  if (!folder.empty()) PostgresServer(std::filesystem::path(folder)).remove();
  std::filesystem::remove(file);
  return 0;
}
