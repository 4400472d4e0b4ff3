"""The style sheet of the report: for a laptop's screen, and for paper."""

from __future__ import annotations

from typing import Final

__all__ = ["STYLE"]

STYLE: Final = """
:root { --ink: #1c2430; --quiet: #5d6875; --line: #dde3ea; --wash: #f5f7fa; --good: #2d6a4f; --bad: #b00020; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink);
       font: 15px/1.5 system-ui, "Segoe UI", "Liberation Sans", "DejaVu Sans", sans-serif; }
header, nav, main, footer { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
h1 { font-size: 22px; margin: 28px 0 14px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 34px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--line); }
p { margin: 8px 0; color: var(--quiet); max-width: 62em; }
nav { position: sticky; top: 0; background: #fffffff2; padding-top: 8px; padding-bottom: 8px;
      border-bottom: 1px solid var(--line); z-index: 1; }
nav a { margin-right: 18px; color: #1d5b8f; text-decoration: none; }
nav a:hover { text-decoration: underline; }
section { scroll-margin-top: 44px; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin-bottom: 16px; }
.tile { background: var(--wash); border-radius: 8px; padding: 10px 18px; min-width: 130px; }
.tile b { display: block; font-size: 22px; font-weight: 600; }
.tile span { color: var(--quiet); font-size: 13px; }
.bad, .bad b, .bad span { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 8px 0; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 3px 12px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--quiet); font-weight: 500; }
.facts td { text-align: left; white-space: normal; overflow-wrap: anywhere; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(540px, 1fr)); gap: 14px 24px; }
figure { margin: 6px 0; }
img { max-width: 100%; height: auto; }
figure.wide { overflow-x: auto; } .wide img { min-width: 860px; }
footer { color: var(--quiet); font-size: 13px; padding-top: 24px; padding-bottom: 32px; }
@media (max-width: 620px) { .grid { grid-template-columns: 1fr; } header, nav, main, footer { padding: 0 14px; } }
@media print {
  @page { size: A4; margin: 14mm 12mm; }
  body { font-size: 10.5px; }
  header, main, footer { padding: 0; max-width: none; }
  nav { display: none; }
  h2, p { break-after: avoid; break-inside: avoid; } h2 { margin-top: 16px; }
  #residuals { break-before: page; }
  table { font-size: 8.5px; }
  th, td { padding: 2px 5px; }
  .scroll, figure.wide { overflow: visible; } .wide img { min-width: 0; }
  .grid { grid-template-columns: 1fr 1fr; gap: 6px 10px; }
  figure, tr, .tiles { break-inside: avoid; }
  .tile { padding: 4px 10px; min-width: 0; border: 1px solid var(--line); }
  .tile b { font-size: 15px; } .tile span { font-size: 9px; }
}
"""
