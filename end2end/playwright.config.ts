import { defineConfig } from '@playwright/test'
import { join, resolve } from 'node:path'

// Set by scripts/end2end, which also removes what the demo leaves behind.
const folder = process.env.FLOTILLA_END2END
const port = process.env.PORT
if (!folder || !port) throw new Error('start the journeys with: make end2end (or scripts/end2end)')

const project = resolve(__dirname, '..')
const results = join(project, 'target/test-results')
const url = `http://127.0.0.1:${port}`

export default defineConfig({
  testDir: '.',
  outputDir: join(results, 'journeys'),
  // All journeys share one fleet, so they take turns; each makes the databases that it changes.
  workers: 1,
  fullyParallel: false,
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list'], ['json', { outputFile: join(results, 'journeys.json') }]],
  use: {
    baseURL: url,
    browserName: 'chromium',
    viewport: { width: 1440, height: 900 },
    trace: 'retain-on-failure',
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env.FLOTILLA_BROWSER,
      // Containers tend to have neither a user namespace for the sandbox nor much shared memory.
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
    },
  },
  webServer: {
    command: `exec ${join(project, 'target/release/flotilla')} demo`,
    cwd: folder,
    // The console's files are in the program: its folder holds nothing but the demo's data.
    env: { PORT: port },
    url: `${url}/readyz`,
    timeout: 120_000,
    stdout: 'pipe',
    gracefulShutdown: { signal: 'SIGTERM', timeout: 10_000 },
  },
})
