/** Bar charts as SVG, drawn by hand: no dependency, and colours that follow the reader's light or dark page. */
import { formatNumber } from './report.mjs';

const WIDTH = 760;
const LABEL_WIDTH = 190;
const VALUE_WIDTH = 110;
const BAR_HEIGHT = 18;
const BAR_PITCH = 26;
const GROUP_GAP = 44;
const HEADER_HEIGHT = 62;
const MARGIN = 20;

const STYLE = `
    svg { font: 13px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; }
    text { fill: #1f2328; }
    .title { font-size: 17px; font-weight: 600; }
    .group { font-weight: 600; }
    .muted { fill: #59636e; }
    .label { text-anchor: end; }
    .bar { fill: #afb8c1; }
    .own { fill: #1a7f5a; }
    .axis { stroke: #d1d9e0; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .muted { fill: #9198a1; }
      .bar { fill: #565f6b; }
      .own { fill: #3fb98a; }
      .axis { stroke: #3d444d; }
    }`;

/**
 * Draws groups of horizontal bars on one scale.
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} chart.subtitle What is measured, its unit, and which way is better.
 * @param {string} chart.unit
 * @param {readonly { title: string, bars: readonly { label: string, value?: number, isOwn?: boolean }[] }[]} chart.groups
 *   A bar without a value says that it was not measured.
 * @returns {string} The SVG.
 */
export function drawBars({ title, subtitle, unit, groups }) {
  const longest = Math.max(1e-9, ...groups.flatMap(({ bars }) => bars.map(({ value }) => value ?? 0)));
  const scale = (WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH) / longest;
  const left = MARGIN + LABEL_WIDTH;
  const parts = [];
  let y = HEADER_HEIGHT;
  for (const group of groups) {
    y += 22;
    parts.push(`<text class="group" x="${left}" y="${y}">${escape(group.title)}</text>`);
    y += 10;
    const top = y;
    // An order that a reader can see at a glance; what was not measured stands last.
    const bars = group.bars.toSorted((one, other) => (one.value ?? Infinity) - (other.value ?? Infinity));
    for (const { label, value, isOwn } of bars) {
      const baseline = y + BAR_HEIGHT - 5;
      const weight = isOwn ? ' font-weight="600"' : '';
      parts.push(`<text class="label"${weight} x="${left - 10}" y="${baseline}">${escape(label)}</text>`);
      if (value === undefined) parts.push(`<text class="muted" x="${left + 8}" y="${baseline}">not measured</text>`);
      else {
        const width = Math.max(value * scale, 1).toFixed(1);
        parts.push(
          `<rect class="${isOwn ? 'own' : 'bar'}" x="${left}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>`,
          `<text${weight} x="${(left + Number(width) + 8).toFixed(1)}" y="${baseline}">${formatNumber(value)} ${escape(unit)}</text>`,
        );
      }
      y += BAR_PITCH;
    }
    parts.push(`<line class="axis" x1="${left}" x2="${left}" y1="${top - 4}" y2="${y - 4}"/>`);
    y += GROUP_GAP - 32;
  }
  const height = y + MARGIN / 2;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title subtitle">
  <title id="title">${escape(title)}</title>
  <desc id="subtitle">${escape(subtitle)}</desc>
  <style>${STYLE}
  </style>
  <text class="title" x="${MARGIN}" y="34">${escape(title)}</text>
  <text class="muted" x="${MARGIN}" y="56">${escape(subtitle)}</text>
  ${parts.join('\n  ')}
</svg>
`;
}

const escape = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
