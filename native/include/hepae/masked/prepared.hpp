// The masked codec made ready: networks and coding tables of all features, made when they are first asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "../model_file.hpp"
#include "../prediction/prepared.hpp"
#include "../spec/predictors.hpp"
#include "open_shape.hpp"
#include "writing_shape.hpp"

namespace hepae {

class PreparedMasked {
public:
   PreparedMasked(const MaskedSpec &spec, std::shared_ptr<const ModelFile> model, const PreparedPredictors &predictors)
      : fSpec(spec), fModel(std::move(model)), fReady(predictors.features()), fWriting(predictors.features()),
        fPlaces(predictors.features()), fTogether(predictors.features())
   {
      for (std::size_t place = 0; place < fSpec.shapes.size(); ++place) {
         const std::size_t feature = predictors.order()[place];
         fPlaces[feature] = place;
         for (const std::string &name : fSpec.together)
            fTogether[feature] = fTogether[feature] || fSpec.shapes[place].feature == name;
      }
   }

   /// Whether a feature is decoded side by side with others.
   bool is_together(std::size_t feature) const { return fTogether[feature]; }

   const OpenShape &shape(std::size_t feature) const
   {
      const std::lock_guard<std::mutex> lock(fMutex);
      std::unique_ptr<OpenShape> &out = fReady[feature];
      if (!out)
         out = std::make_unique<OpenShape>(fSpec.shapes[fPlaces[feature]], *fModel, fPlaces[feature]);
      return *out;
   }

   /// The same for a writer.
   const WritingShape &writing(std::size_t feature) const
   {
      const OpenShape &known = shape(feature);
      const std::lock_guard<std::mutex> lock(fMutex);
      std::unique_ptr<WritingShape> &out = fWriting[feature];
      if (!out)
         out = std::make_unique<WritingShape>(known);
      return *out;
   }

private:
   MaskedSpec fSpec;
   std::shared_ptr<const ModelFile> fModel;
   mutable std::mutex fMutex;
   mutable std::vector<std::unique_ptr<OpenShape>> fReady;       ///< by feature
   mutable std::vector<std::unique_ptr<WritingShape>> fWriting; ///< by feature
   std::vector<std::size_t> fPlaces;                       ///< in coding order
   std::vector<bool> fTogether;
};

} // namespace hepae
