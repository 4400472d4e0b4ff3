// Models by their SHA-256: those of a file, and those in the folders of HEPAE_MODEL_PATH for files that hold none
// (docs/format/v1.md, section 4).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "error.hpp"
#include "limits.hpp"
#include "sha256.hpp"

namespace hepae {

/// Can be asked by several threads.
class ModelStore {
public:
   /// The 64 digits of a model, and its ONNX file.
   using Named = std::pair<const std::string, std::vector<std::uint8_t>>;

   /// A model of a file, which has no bytes where the file refers to it.
   void add(const std::string &sha256, std::vector<std::uint8_t> onnx)
   {
      if (!onnx.empty())
         fModels[sha256] = std::move(onnx);
   }

   /// The model whose SHA-256 begins with these digits. It is there as long as this.
   const Named &find(const std::string &start) const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      auto at = known(start);
      if (at == fModels.end()) {
         look_in_folders(start);
         at = known(start);
      }
      require(at != fModels.end(), "this model is neither in the file nor in a folder of HEPAE_MODEL_PATH", start);
      return *at;
   }

private:
   using Models = std::map<std::string, std::vector<std::uint8_t>>;

   mutable std::mutex fMutex;
   mutable Models fModels;

   Models::const_iterator known(const std::string &start) const
   {
      const auto at = fModels.lower_bound(start);
      return at != fModels.end() && at->first.compare(0, start.size(), start) == 0 ? at : fModels.end();
   }

   void look_in_folders(const std::string &start) const
   {
      const char *folders = std::getenv("HEPAE_MODEL_PATH");
      std::istringstream all(folders ? folders : "");
      for (std::string folder; std::getline(all, folder, ':');) {
         std::error_code unreadable;
         for (const auto &entry : std::filesystem::directory_iterator(folder, unreadable))
            if (entry.path().extension() == ".onnx" && take(entry, start))
               return;
      }
   }

   bool take(const std::filesystem::directory_entry &entry, const std::string &start) const
   {
      std::error_code unreadable;
      if (entry.file_size(unreadable) > limits::kModelBytes || unreadable)
         return false;
      std::ifstream file(entry.path(), std::ios::binary);
      const std::string data{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
      const std::string sha256 = Sha256::digits(Sha256::of(data));
      if (sha256.compare(0, start.size(), start) != 0)
         return false;
      fModels[sha256].assign(data.begin(), data.end());
      return true;
   }
};

} // namespace hepae
