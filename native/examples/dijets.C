// The dijet mass from a compressed file, without Python:
//
//    export ROOT_INCLUDE_PATH=$(hepae --include)
//    root -l -b -q 'dijets.C+("small.root")'
//
// (the plus compiles it; ROOT's interpreter alone needs half a minute for the headers).
#include <hepae/datasource.hpp>

#include <ROOT/RDataFrame.hxx>
#include <ROOT/RVec.hxx>
#include <TH1D.h>

#include <cstdio>

void dijets(const char *file, const char *tree = "Events")
{
   using ROOT::RVecF;
   ROOT::RDataFrame events(std::make_unique<hepae::DataSource>(file, tree));
   const auto two = [](const RVecF &pt) { return pt.size() > 1; };
   const auto mass = [](const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &m) {
      return ROOT::VecOps::InvariantMass(Take(pt, 2), Take(eta, 2), Take(phi, 2), Take(m, 2));
   };
   auto dijets = events.Filter(two, {"Jet_pt"}).Define("m", mass, {"Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass"});
   auto histogram = dijets.Histo1D<float>({"m", "dijet mass;m [GeV]", 100, 0, 1000}, "m");
   std::printf("%.0f events, mean %.4f GeV\n", histogram->GetEntries(), histogram->GetMean());
}
