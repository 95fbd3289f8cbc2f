// One database: change its quota, suspend and resume it, reveal its connection, release it.
import { type Page } from '@playwright/test'
import { type Claim, claim, expect, neonProject, open, test } from './console'

const GIB = 1024 ** 3

async function openClaimed(page: Page, claimed: Claim): Promise<void> {
  await open(page, `/databases/${claimed.database.id}`)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(claimed.owner.email)
}

test('a storage quota changed in the browser arrives on Neon', async ({ page, request }) => {
  const claimed = await claim(request)
  await openClaimed(page, claimed)
  await page.getByRole('button', { name: 'Edit quota' }).click()
  const dialog = page.getByRole('dialog', { name: 'Edit quota' })
  await dialog.getByLabel('Storage').fill('3 GiB')
  await expect(dialog).toContainText('Storage: 512 MiB → 3 GiB')
  await dialog.getByLabel('Reason').fill('journey: more room')
  await dialog.getByRole('button', { name: 'Save quota' }).click()
  await expect
    .poll(async () => (await neonProject(request, claimed.database.neon_project_id)).settings.quota.logical_size_bytes, { timeout: 2_000, intervals: [100] })
    .toBe(3 * GIB)
  await expect(dialog).toBeHidden()
  await expect(page.getByText('The new quota is in force.')).toBeVisible()
  const told = page.getByRole('listitem').filter({ hasText: 'journey: more room' })
  await expect(told.filter({ hasText: '512 MiB → 3 GiB' })).toBeVisible()
  await expect(told.filter({ hasText: 'Storage: 3 GiB instead of 512 MiB, for good' })).toBeVisible()
})

test('a limit below what is used is shown as what it is before it is saved', async ({ page, request }) => {
  await openClaimed(page, await claim(request))
  await page.getByRole('button', { name: 'Ask Neon now' }).click()
  await expect(page.getByRole('region', { name: 'Quotas' })).toContainText('Storage measured')
  await page.getByRole('button', { name: 'Edit quota' }).click()
  const dialog = page.getByRole('dialog', { name: 'Edit quota' })
  await dialog.getByLabel('Storage').fill('soon')
  await expect(dialog).toContainText('Write a size such as 512 MiB')
  await dialog.getByLabel('Storage').fill('1 B')
  await expect(dialog).toContainText('it would be blocked at once')
  await dialog.getByRole('button', { name: 'Cancel' }).click()
  await expect(dialog).toBeHidden()
})

test('a size needs its unit, and is told in bytes', async ({ page, request }) => {
  await openClaimed(page, await claim(request))
  await page.getByRole('button', { name: 'Edit quota' }).click()
  const dialog = page.getByRole('dialog', { name: 'Edit quota' })
  await dialog.getByLabel('Storage').fill('10')
  await expect(dialog).toContainText('Write the unit: 10 MiB or 10 GiB.')
  await dialog.getByLabel('Storage').fill('10 GB')
  await expect(dialog).toContainText('10,000,000,000 bytes (9.3 GiB)')
})

test('of two tabs the second is told who changed the same limit', async ({ page, request }) => {
  const claimed = await claim(request)
  await openClaimed(page, claimed)
  const other = await page.context().newPage()
  await openClaimed(other, claimed)
  const fill = async (tab: Page, size: string) => {
    await tab.getByRole('button', { name: 'Edit quota' }).click()
    const dialog = tab.getByRole('dialog', { name: 'Edit quota' })
    await dialog.getByLabel('Storage').fill(size)
    await dialog.getByLabel('Reason').fill('journey: two tabs')
    return dialog
  }
  const second = await fill(other, '4 GiB')
  const first = await fill(page, '3 GiB')
  await first.getByRole('button', { name: 'Save quota' }).click()
  await expect(first).toBeHidden()
  await second.getByRole('button', { name: 'Save quota' }).click()
  await expect(second.getByRole('alert')).toContainText('from 512 MiB to 3 GiB')
  await expect(second).toContainText('3 GiB → 4 GiB')
  await second.getByRole('button', { name: 'Save quota' }).click()
  await expect(second).toBeHidden()
  await other.close()
})

test('a rotated password is told of in the history, and never shown unasked', async ({ page, request }) => {
  const claimed = await claim(request)
  await openClaimed(page, claimed)
  await page.getByRole('button', { name: 'Rotate password' }).first().click()
  const dialog = page.getByRole('dialog', { name: 'Rotate the password?' })
  await dialog.getByLabel('Reason').fill('journey: it leaked')
  await dialog.getByRole('button', { name: 'Rotate password' }).click()
  await expect(dialog).toBeHidden()
  await expect(page.getByRole('listitem').filter({ hasText: 'journey: it leaked' })).toBeVisible()
  await expect(page.getByRole('listitem').filter({ hasText: 'password: changed' }).first()).toBeVisible({ timeout: 20_000 })
  expect(await page.content()).not.toContain('npg_')
})

test('resume starts the compute, suspend stops it', async ({ page, request }) => {
  await openClaimed(page, await claim(request))
  const compute = page.getByRole('region', { name: 'Compute' })
  for (const [name, state] of [['Resume', 'active'], ['Suspend', 'idle']]) {
    await compute.getByRole('button', { name, exact: true }).click()
    const dialog = page.getByRole('dialog', { name: `${name} this database?` })
    await dialog.getByLabel('Reason').fill(`journey: ${name}`)
    await dialog.getByRole('button', { name, exact: true }).click()
    await expect(dialog).toBeHidden()
    await expect(compute.getByRole('definition').first()).toHaveText(state, { timeout: 20_000 })
  }
})

test('a revealed password can be hidden, and hides itself', async ({ page, request }) => {
  await page.clock.install()
  const claimed = await claim(request)
  await openClaimed(page, claimed)
  expect(await page.content()).not.toContain(claimed.connection.password)
  const reveal = async () => {
    await page.getByRole('button', { name: 'Reveal', exact: true }).first().click()
    const dialog = page.getByRole('dialog', { name: 'Reveal the connection string?' })
    await dialog.getByLabel('Reason').fill('journey: the owner asked')
    await dialog.getByRole('button', { name: 'Reveal', exact: true }).click()
    await expect(page.getByText(claimed.connection.password, { exact: true })).toBeVisible()
  }
  await reveal()
  await page.getByRole('button', { name: 'Hide now' }).click()
  await expect(page.getByText(claimed.connection.password)).toHaveCount(0)
  await reveal()
  await page.clock.runFor(31_000)
  await expect(page.getByText(claimed.connection.password)).toHaveCount(0)
  await expect(page.getByRole('listitem').filter({ hasText: 'journey: the owner asked' }).first()).toBeVisible()
})

test.describe('a confirmation that the server refuses', () => {
  // The browser tells of every answer that is no success.
  test.use({ expectedComplaints: [/status of 422/] })

  test('releasing asks to type the name and then deletes the project', async ({ page, request }) => {
    const claimed = await claim(request)
    await openClaimed(page, claimed)
    await page.getByRole('button', { name: 'Release', exact: true }).click()
    const dialog = page.getByRole('dialog', { name: 'Release this database?' })
    await dialog.getByLabel('Reason').fill('journey: the owner left')
    await dialog.getByLabel('Confirmation').fill('somebody else')
    await expect(dialog.getByRole('button', { name: 'Release for good' })).toHaveClass(/btn-disabled/)
    await dialog.getByLabel('Confirmation').press('Enter')
    await expect(dialog.getByRole('alert')).toHaveText(`Type ${claimed.owner.email} to confirm.`)
    await dialog.getByLabel('Confirmation').fill(claimed.owner.email)
    await dialog.getByRole('button', { name: 'Release for good' }).click()
    await expect(page.getByText('It is deleted.')).toBeVisible({ timeout: 20_000 })
  })
})
