// Server-sent events out of a stream of text (HTML, 9.2.6).

/** Split what came into frames; the rest stays for what comes next (HTML, 9.2.6). */
export function takeFrames(text: string): { frames: string[]; rest: string } {
  const parts = text.split('\n\n');
  const rest = parts.pop() ?? '';
  return { frames: parts, rest };
}

export function readFrame(frame: string): { event: string; id: number | null; data: string } | null {
  let event = 'message';
  let id: number | null = null;
  const data: string[] = [];
  for (const line of frame.split('\n')) {
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('id: ')) id = Number(line.slice(4));
    else if (line.startsWith('data: ')) data.push(line.slice(6));
  }
  return data.length === 0 ? null : { event, id, data: data.join('\n') };
}
