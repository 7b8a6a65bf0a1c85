// The map's colours, light and dark. Text stands 4.5 to 1 against land and water, what one has to
// see 3 to 1 (WCAG 2.2, 1.4.3 and 1.4.11).
export interface Palette {
  water: string;
  land: string;
  border: string;
  text: string;
  halo: string;
  device: string;
  cluster: string;
  clusterText: string;
  ring: string;
  alarm: string;
  fence: string;
  route: string;
  trail: string;
  draft: string;
}

export const LIGHT: Palette = {
  water: '#d5e3ec',
  land: '#f6f4ef',
  border: '#b3aea3',
  text: '#4a4f55',
  halo: '#fbfaf7',
  device: '#0b63ce',
  cluster: '#0b4f9e',
  clusterText: '#ffffff',
  ring: '#ffffff',
  alarm: '#c3241c',
  fence: '#6a3fb5',
  route: '#0f766e',
  trail: '#b45309',
  draft: '#c2187a',
};

export const DARK: Palette = {
  water: '#10171f',
  land: '#222b35',
  border: '#4b5866',
  text: '#b9c4cf',
  halo: '#161d25',
  device: '#5fb0ff',
  cluster: '#7cc0ff',
  clusterText: '#08131e',
  ring: '#0d141b',
  alarm: '#ff7a70',
  fence: '#b79bff',
  route: '#4fd1c1',
  trail: '#f5b556',
  draft: '#ff82c6',
};
